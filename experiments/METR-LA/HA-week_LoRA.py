from experiments.defaults import experiment

CFG = experiment("METR-LA", "HA-week+")
