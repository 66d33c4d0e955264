from experiments.defaults import experiment

CFG = experiment("PEMS-BAY", "STAE")
