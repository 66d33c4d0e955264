from experiments.defaults import experiment

CFG = experiment("CITY-H0", "HA-week")
