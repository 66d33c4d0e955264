from experiments.defaults import experiment

CFG = experiment("PEMS08", "HA-week+")
