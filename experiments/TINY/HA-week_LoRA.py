from experiments.defaults import experiment

CFG = experiment("TINY", "HA-week+")
