from experiments.defaults import experiment

CFG = experiment("PEMS07", "STAE", batch_size=8)
