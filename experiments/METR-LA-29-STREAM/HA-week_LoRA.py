from experiments.defaults import experiment

CFG = experiment("METR-LA-29-STREAM", "HA-week+")
