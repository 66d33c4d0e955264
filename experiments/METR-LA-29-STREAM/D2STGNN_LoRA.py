from experiments.defaults import experiment

CFG = experiment("METR-LA-29-STREAM", "D2STGNN+", curriculum_warm_up=0, curriculum_every=6)
