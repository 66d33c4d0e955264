from experiments.defaults import experiment

CFG = experiment("PEMS07", "D2STGNN+", batch_size=8)
