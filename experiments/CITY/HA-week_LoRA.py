from experiments.defaults import experiment

CFG = experiment("CITY", "HA-week+")
