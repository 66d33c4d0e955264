from experiments.defaults import experiment

CFG = experiment("METR-LA-29", "HA-week+")
