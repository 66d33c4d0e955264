from experiments.defaults import experiment

CFG = experiment("CITY", "D2STGNN+")
