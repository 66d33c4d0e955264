"""The plan of a sweep: which runs names, globs, protocols and arms mean, their commands, how long they take."""

import json
import shutil

import pytest

from experiments import run as run_command
from experiments import sweep as sweep_command
from stlora_ext.config.config_file import load_experiment
from stlora_ext.config.registry import backbones
from stlora_ext.data.available import open_dataset
from stlora_ext.errors import UserError
from stlora_ext.fields import parse_assignments
from stlora_ext.runs.backbone import run_key
from stlora_ext.runs.key import RunKey
from stlora_ext.sweep import engines
from stlora_ext.sweep.estimate import Estimates
from stlora_ext.sweep.job import Job
from stlora_ext.sweep.plan import without_idle
from stlora_ext.sweep.request import make_plan
from tests.support.commands import ROOT, refusal
from tests.support.small import OURS


@pytest.fixture
def plan(tiny_data, tmp_path):
    """Returns the plan of a command line on TINY, in one seed unless it names others."""

    def planned(*arguments, datasets=("TINY",)):
        usual = {"--seeds": "0", "--data": str(tiny_data), "--results": str(tmp_path / "r")}
        args = sweep_command.parser().parse_args(
            [
                "--datasets",
                *datasets,
                *arguments,
                *(word for option, value in usual.items() if option not in arguments for word in (option, value)),
            ]
        )
        return make_plan(sweep_command.request(args))

    return planned


def names(planned):
    return [f"{job.key.model} {job.key.protocol} {job.key.arm}" + " added" * job.added for job in planned.jobs]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--models", "LSTM"], ["LSTM joint base"]),
        (["--models", "LSTM", "LSTM+", "LSTM*"], ["LSTM joint base", "LSTM+ joint plus"]),
        (["--models", "LSTM+", "--arms", "control", "plus"], ["LSTM+ joint control", "LSTM+ joint plus"]),
        (["--models", "LSTM+", "--arms", "base", "wide"], ["LSTM joint base", "LSTM+ joint wide"]),
        (["--models", "LSTM+", "--protocols", "adapt"], ["LSTM joint base added", "LSTM+ adapt plus"]),
        (
            ["--models", "LSTM+", "LSTM", "--protocols", "joint", "adapt"],
            ["LSTM joint base", "LSTM+ joint plus", "LSTM+ adapt plus"],
        ),
        (["--models", "[HS]*A"], ["HA fitted base"]),
        (["--models", "HA+", "SVR", "--protocols", "joint"], ["SVR fitted base", "HA+ adapt plus"]),
    ],
)
def test_models_protocols_and_arms(arguments, expected, plan):
    assert names(plan(*arguments)) == expected


def test_all_models_are_every_backbone_with_and_without_adapter(plan):
    assert len(names(plan("--models", "all", "--seeds", "0"))) == 2 * len(backbones())
    assert {f"{name}+" for name in backbones()} == {name.split()[0] for name in names(plan("--models", "*+"))}


def test_what_is_left_out_is_not_planned_and_a_name_that_leaves_out_nothing_is_refused(plan):
    left = {name.split()[0] for name in names(plan("--models", "L*", "N*+", "--without", "LSTM", "Non*"))}
    assert left == {"Leddam", "Leddam+", "LightTS", "LightTS+", "NLinear+"}
    with pytest.raises(UserError, match="--without LSTN: none of the models"):
        plan("--models", "LSTM", "--without", "LSTN")


def test_seeds_are_those_of_the_config_unless_named_and_deterministic_models_run_once(plan):
    assert [job.key.seed for job in plan("--models", "HA", "LSTM", "--seeds", "3", "0-1").jobs] == [None, 0, 1, 3]
    assert len(plan("--models", "LSTM", datasets=("TINY", "TINY")).jobs) == 1


def test_the_command_of_every_job_gives_the_key_of_its_plan(plan, tiny_data):
    """In every arm and protocol, through run.py's own parser."""
    planned = plan(
        "--models",
        *OURS,
        *(f"{name}+" for name in OURS),
        "--protocols",
        "joint",
        "adapt",
        "--arms",
        "base",
        "plus",
        "control",
        "wide",
        "--epochs",
        "3",
        "--set",
        "batch_size=7",
        "lr_milestones=[1,2]",
        "model.hidden_size=8",
        "adapter.rank=3",
        "adapter_lr=0.01",
        "--seeds",
        "0",
        "4",
    )
    meta = open_dataset("TINY", tiny_data)
    assert len(planned.jobs) == len({job.key for job in planned.jobs}) == 17 + 2 * (4 * 3 + 6 * 6)
    for job in planned.jobs:
        args = run_command.parser().parse_args(job.arguments[1:])
        exp = load_experiment(ROOT / args.config).override(
            {
                **parse_assignments(args.assignments),
                **({"num_epochs": args.epochs} if args.epochs else {}),
                **({"batch_size": args.batch_size} if args.batch_size else {}),
            }
        )
        exp = exp.with_protocol(args.protocol) if args.protocol else exp
        exp = exp.with_arm(args.arm) if args.arm else exp
        seed = args.seeds[0][0] if args.seeds else None
        assert run_key(exp, meta, seed) == job.key and args.train_backbone == (job.needs is not None), job


def test_every_needed_base_is_in_the_plan_before_the_jobs_that_need_it(plan):
    jobs = plan("--models", "LSTM+", "STGCN+", "--protocols", "adapt", "--seeds", "0-1").jobs
    order = [job.key for job in jobs]
    assert len(order) == 8
    assert all(order.index(job.needs) < order.index(job.key) for job in jobs if job.needs)


def test_an_added_base_goes_when_nothing_needs_it_any_more(plan, tmp_path):
    base, plus = plan("--models", "LSTM+", "--protocols", "adapt").jobs
    write(plus.key, tmp_path / "r", plus.fingerprint)
    assert without_idle([base, plus], tmp_path / "r") == [plus]


def test_what_a_glob_matches_and_cannot_run_is_left_out_with_the_reason(plan, tiny_data, tmp_path):
    shutil.copytree(tiny_data, tmp_path / "data")
    (tmp_path / "data/TINY/graph.npz").unlink()
    meta = tmp_path / "data/TINY/meta.json"
    meta.write_text(json.dumps({**json.loads(meta.read_text()), "has_graph": False}))
    planned = plan("--models", "LSTM", "STG*", "--data", str(tmp_path / "data"), datasets=("TINY", "PEMS0[34]"))
    assert names(planned) == ["LSTM joint base"]
    assert [what for what, _ in planned.left_out] == ["TINY/STGCN", "TINY/STGCN+", "PEMS03", "PEMS04"]
    assert "prepare it with --graph" in planned.left_out[0][1] and "bring PEMS03.npz" in planned.left_out[2][1]


def test_a_setting_goes_to_the_models_that_have_it(plan):
    planned = plan("--models", "HA", "LSTM", "LSTM+", "--set", "model.hidden_size=8", "adapter.rank=2", "lr=0.1")
    assert planned.settings == {"model.hidden_size": ["LSTM", "LSTM+"], "adapter.rank": ["LSTM+"]}
    assert "model.hidden_size=8" not in planned.jobs[0].arguments


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--models", "LSMT"], "--models LSMT: no such name, did you mean 'LSTM'?"),
        (["--models", "X*"], "--models X*: no such name, expected one of: HA, HA+, HA-week"),
        (["--models", "LSTM", "--datasets", "TINI"], "--datasets TINI: no such name, did you mean 'TINY'?"),
        (["--models", "LSTM", "--datasets", "PEMS08"], "data set 'PEMS08' is not in"),
        (
            ["--models", "LSTM", "--datasets", "PEMS0[34]"],
            "nothing of this can run: PEMS03: data set 'PEMS03' is not in",
        ),
        (["--models", "LSTM", "--set", "num_epoch=3"], "unknown key 'num_epoch': did you mean 'num_epochs'?"),
        (
            ["--models", "LSTM", "HA", "--set", "model.hiden=3"],
            "--set model.hiden: none of the models has this setting",
        ),
        (["--models", "LSTM", "--set", "model.hidden_size=a"], "model.hidden_size='a': expected a whole number"),
        (["--models", "LSTM", "--set", "lr"], "--set lr: expected key=value"),
        (["--models", "GWNet", "--compile"], "--compile: not tested with GWNet"),
        (["--models", "LSTM", "--set", "input_len=6"], "input_len=6, output_len=12: TINY was prepared for 12 and 12"),
        (["--models", "LSTM+", "--arms", "all"], "--arms: invalid choice: 'all'"),
        (["--models", "LSTM", "--seeds", "4-2"], "'4-2' is not a number or a range"),
        (["--models", "LSTM", "--jobs", "0"], "--jobs: '0' is not a whole number of at least 1"),
        (["--models", "LSTM", "--gpus", "0;1"], "--gpus 0;1: expected numbers of GPUs such as 0,1, each once"),
        (["--models", "LSTM", "--gpus", "1,1"], "--gpus 1,1: expected numbers of GPUs such as 0,1, each once"),
        (
            ["--models", "LSTM", "--ray", "auto", "--gpus", "0"],
            "--gpus 0: names GPUs of this machine; with --ray a run",
        ),
        (
            ["--models", "LSTM", "--gpus-per-cell", "1"],
            "--gpus-per-cell 1: only a cluster shares out GPUs (--ray ADDRESS)",
        ),
        (
            ["--models", "LSTM", "--ray", "auto", "--gpus-per-cell", "2"],
            "--gpus-per-cell: '2' is not 1, the GPU of a run",
        ),
        (["--models", "LSTM", "--gpus", "98,99"], "--gpus 98: this machine has"),
        (["--models", "LSTM", "--cuda-graphs"], "--cuda-graphs: the CPU has no such thing; name GPUs"),
        (["--models", "LSTM", "--ray", "auto", "--cuda-graphs"], "--cuda-graphs: the CPU has no such thing; name GPUs"),
        ([], "the following arguments are required: --models"),
    ],
)
def test_a_mistake_is_one_line_before_anything_runs(arguments, expected, tiny_data, tmp_path, capsys):
    datasets = [] if "--datasets" in arguments else ["--datasets", "TINY"]
    line = refusal(
        sweep_command.main, [*datasets, "--data", tiny_data, "--results", tmp_path / "r", *arguments], capsys
    )
    assert expected in line
    assert not (tmp_path / "r").exists()


def test_a_sweep_on_a_cluster_without_ray_says_what_to_install(tiny_data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    line = refusal(
        sweep_command.main,
        ["--datasets", "TINY", "--models", "HA", "--data", tiny_data, "--results", tmp_path / "r", "--ray", "auto"],
        capsys,
    )
    assert line == "--ray: the package ray is not installed; pip install -c constraints.txt ray"


def test_a_damaged_data_set_is_refused_before_anything_runs(tiny_data, tmp_path, capsys):
    shutil.copytree(tiny_data, tmp_path / "data")
    (tmp_path / "data/TINY/val_data.npy").write_bytes(b"")
    line = refusal(
        sweep_command.main,
        ["--datasets", "TINY", "--models", "LSTM", "--data", tmp_path / "data", "--results", tmp_path / "r"],
        capsys,
    )
    assert "val_data.npy cannot be read" in line and not (tmp_path / "r").exists()


def test_a_dry_run_prints_every_job_and_runs_nothing(tiny_data, tmp_path, capsys):
    sweep_command.main(
        [
            "--datasets",
            "TINY",
            "--models",
            "LSTM+",
            "--protocols",
            "adapt",
            "--seeds",
            "0-1",
            "--jobs",
            "2",
            "--threads",
            "1",
            "--dry-run",
            "--data",
            str(tiny_data),
            "--results",
            str(tmp_path / "r"),
        ]
    )
    text = capsys.readouterr().out
    assert "TINY/LSTM joint base seed 1   to run, duration unknown; added, because its weights are adapted" in text
    assert "TINY/LSTM+ adapt plus seed 1  to run, duration unknown, after TINY/LSTM joint base seed 1" in text
    assert "4 runs: 0 finished, 4 to run on the CPU, 2 side by side, 1 thread each" in text
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ([""], 12)),
        (["--jobs", "5"], ([""] * 5, 2)),
        (["--jobs", "20"], ([""] * 20, 1)),
        (["--jobs", "2", "--threads", "3"], (["", ""], 3)),
        (["--gpus", "0,2,3"], (["0", "2", "3"], 4)),
        (["--gpus", "1,0", "--jobs", "3"], (["1", "0", "1", "0", "1", "0"], 2)),
    ],
)
def test_a_worker_is_a_gpu_or_a_job_and_threads_are_shared_out(arguments, expected, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(12)), raising=False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    args = sweep_command.parser().parse_args(["--datasets", "TINY", "--models", "HA", *arguments])
    assert engines.workers(args) == expected


def write(key, results, fingerprint="sha256:0", **changed):
    """Write a record of ``key``, of 3 of at most 10 epochs, 20 s each."""
    scores = {"MAE": 1.0, "RMSE": 1.0, "MAPE": 1.0}
    record = {
        "format": "stlora-run-record-1",
        "key": key.as_dict(),
        "status": "finished",
        "test": {"average": scores, "horizons": [scores]},
        "data": {"fingerprint": fingerprint, "interval": 5, "num_nodes": 3, "windows": {"test": 9}},
        "configuration": {"training": {"num_epochs": 10}, "model": {}, "adapter": {"sharing": "node"}},
        "training": {"epochs": 3, "seconds_per_epoch": 20.0, "history": []},
        "parameters": {"backbone": 1, "adapter": 0, "adapter_percent": None},
        "provenance": {"hardware": "here"},
        **changed,
    }
    path = key.record_path(results)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))


def job(seed=0, model="M", epochs=10, protocol="joint"):
    return Job(RunKey("D", model, protocol, "base", "0" * 8, seed), (), "sha256:0", epochs)


def test_an_estimate_is_from_finished_runs_of_the_same_model_data_and_hardware(tmp_path):
    write(job(0).key, tmp_path)
    write(job(1).key, tmp_path, provenance={"hardware": "elsewhere"}, training={"epochs": 3, "seconds_per_epoch": 1.0})
    (tmp_path / "D/M/joint-base-damaged.json").write_text("{")
    estimates = Estimates(tmp_path, {"here"})
    assert estimates.of(job(5)) == 5 + 3 * 20
    assert estimates.of(job(5, epochs=50)) == 5 + 50 * 20
    assert estimates.of(job(5, "N")) is None and estimates.of(job(5, protocol="adapt")) is None
    assert Estimates(tmp_path, {"new"}).of(job(5)) is None


def test_the_time_left_is_shared_among_the_workers_and_learns_from_finished_jobs(tmp_path):
    write(job(0).key, tmp_path)
    estimates = Estimates(tmp_path, {"here"})
    jobs = [job(seed) for seed in range(4)]
    assert estimates.left(jobs, 2) == 2 * 65 and estimates.left(jobs[:1], 2) == 65
    assert estimates.left([*jobs, job(0, "N"), job(1, "N")], 2) == 3 * 65
    assert estimates.left(jobs, 2, spent=30.0) == 2 * 65 - 15
    estimates.measured(jobs[0], 40.0)
    assert estimates.left(jobs, 2) == 80
    assert estimates.left([], 2) == 0 and estimates.left([job(0, "N")], 2) is None


NEW = ["--protocols", "new-sensors", "--arms", "base", "plus", "control", "full"]


def test_the_arms_of_new_sensors_need_the_backbone_of_their_split_and_full_that_of_all_sensors(plan):
    planned = plan("--models", "LSTM+", *NEW, "--splits", "0-1")
    of_split = {split: [job for job in planned.jobs if job.split == split] for split in (0, 1, None)}
    assert names(planned)[:3] == ["LSTM new-sensors base", "LSTM joint base added", "LSTM new-sensors base"]
    (trained,) = of_split[None]
    for split in (0, 1):
        base, *others = of_split[split]
        assert [job.key.arm for job in others] == ["plus", "control", "full"]
        assert [job.needs for job in others] == [base.key, base.key, trained.key]
        assert [job.needed for job in others] == [base.title, base.title, trained.title]
    assert len({job.key for job in planned.jobs}) == len({job.title for job in planned.jobs}) == 9
    alone = plan("--models", "LSTM+", *NEW, "--set", "new_sensors.split=1").jobs
    assert {job.title for job in alone} == {job.title for job in planned.jobs if job.split != 0}


def test_the_command_of_every_job_with_new_sensors_gives_the_key_of_its_plan(plan, tiny_data):
    given = ["new_sensors.days=[0,1]", "new_sensors.share=0.3", "adapter.sharing=vector", "adapter.row_dropout=0.1"]
    planned = plan("--models", "LSTM+", "NLinear+", *NEW, "--splits", "0", "2", "--epochs", "2", "--set", *given)
    assert len(planned.jobs) == 2 * (2 * 4 + 1)
    for job in planned.jobs:
        args = run_command.parser().parse_args(job.arguments[1:])
        exp = run_command.asked_for(args)
        assert [run_key(exp, open_dataset("TINY", tiny_data), seed) for seed in exp.run_seeds] == [job.key]


def test_a_model_that_cannot_take_new_sensors_is_left_out_of_that_protocol_alone_or_refused_by_name(plan):
    planned = plan("--models", "LSTM", "A*N", "H*", "--protocols", "joint", "new-sensors", "--arms", "base")
    assert names(planned) == [
        "HA fitted base",
        "HA-week fitted base",
        "HI fitted base",
        "LSTM joint base",
        "LSTM new-sensors base",
        "AGCRN joint base",
    ]
    reasons = dict(planned.left_out)
    assert "HA is fitted, and" in reasons["TINY/HA"] and "'node_embeddings'" in reasons["TINY/AGCRN"]
    for model, reason in (("HA+", "is fitted"), ("AGCRN", "holds the sensors in")):
        with pytest.raises(UserError, match=reason):
            plan("--models", model, *NEW)


def test_arms_that_a_model_without_adapter_has_not_are_told(plan):
    with pytest.raises(
        UserError, match=r"none of --arms plus is one of a model without adapter under protocol new-sens"
    ):
        plan("--models", "LSTM", "--protocols", "new-sensors")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--arms", "full"], "--arms full: not an arm of protocol joint, but of new-sensors; leave it out"),
        (["--arms", "wide", "--protocols", "new-sensors"], "--arms wide: not an arm of protocol new-sensors"),
        (["--arms", "plus", "--splits", "0-1"], "--splits: only --protocols new-sensors sets sensors aside"),
        ([*NEW, "--splits", "0-1", "--set", "new_sensors.split=1"], "--splits: --set new_sensors.split says which"),
        ([*NEW, "--splits", "0", "--set", "new_sensors.names=['a']"], "--splits: --set new_sensors.names says which"),
    ],
)
def test_arms_that_no_protocol_has_and_idle_splits_are_refused(arguments, expected, plan):
    with pytest.raises(UserError, match=expected.replace("[", r"\[")):
        plan("--models", "LSTM+", *arguments)
