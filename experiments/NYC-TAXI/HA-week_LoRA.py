from experiments.defaults import experiment

CFG = experiment("NYC-TAXI", "HA-week+")
