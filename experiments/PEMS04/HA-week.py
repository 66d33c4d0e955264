from experiments.defaults import experiment

CFG = experiment("PEMS04", "HA-week")
