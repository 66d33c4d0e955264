from experiments.defaults import experiment

CFG = experiment("MELBOURNE-PED", "HA-week+")
