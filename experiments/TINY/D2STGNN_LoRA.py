from experiments.defaults import experiment

CFG = experiment("TINY", "D2STGNN+")
