from experiments.defaults import experiment

CFG = experiment("CITY", "STAE+")
