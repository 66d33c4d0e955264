from experiments.defaults import experiment

CFG = experiment("MELBOURNE-PED", "D2STGNN+", curriculum_warm_up=0, curriculum_every=6)
