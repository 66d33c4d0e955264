from experiments.defaults import experiment

CFG = experiment("PEMS07", "HA-week")
