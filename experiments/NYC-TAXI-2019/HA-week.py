from experiments.defaults import experiment

CFG = experiment("NYC-TAXI-2019", "HA-week")
