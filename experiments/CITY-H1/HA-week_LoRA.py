from experiments.defaults import experiment

CFG = experiment("CITY-H1", "HA-week+")
