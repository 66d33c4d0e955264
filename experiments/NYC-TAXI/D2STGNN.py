from experiments.defaults import experiment

CFG = experiment("NYC-TAXI", "D2STGNN", curriculum_warm_up=0, curriculum_every=6)
