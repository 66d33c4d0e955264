from experiments.defaults import experiment

CFG = experiment("NYC-TAXI-2019", "D2STGNN", curriculum_warm_up=0, curriculum_every=6)
