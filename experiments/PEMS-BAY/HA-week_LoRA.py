from experiments.defaults import experiment

CFG = experiment("PEMS-BAY", "HA-week+")
