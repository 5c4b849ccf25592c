"""What `snakemake -n` says to people."""

from allenrec.report.forecast import PlannedJob, forecast

NO_DISK = {"templates": 0.0, "traces": 0.0}
HEADER = "s\th:m:s\tmax_rss\n"


def test_time_is_that_of_earlier_jobs_or_of_others_of_the_rule(tmp_path):
    """One cell was simulated before in 10 s, another in 20 s; a third takes the mean, and a rule that never ran is named."""
    for model, seconds in (("1", 10), ("2", 20)):
        (tmp_path / "simulate_spikes").mkdir(exist_ok=True)
        (tmp_path / "simulate_spikes" / f"{model}.tsv").write_text(f"{HEADER}{seconds}\t0:00:10\t1\n")
    (tmp_path / "save_config.tsv").write_text(f"{HEADER}1.0\t0:00:01\t1\n")
    jobs = [PlannedJob("simulate_spikes", str(tmp_path / "simulate_spikes" / f"{model}.tsv")) for model in "123"]
    jobs += [PlannedJob("save_config", str(tmp_path / "save_config.tsv")), PlannedJob("all", None)]
    jobs += [PlannedJob("mine_generate_recording", str(tmp_path / "generate_recording" / "demo.tsv"))]
    assert list(forecast(jobs, tmp_path, {"templates": 3e6, "traces": 2.5e9})) == [
        "This run has 6 jobs: 3 cells to simulate, 1 recording, at least 3.0 MB of templates, "
        "2.5 GB of traces without compression.",
        "By the benchmarks of earlier runs, it takes about 46 s, one job after the other; not counted, because never measured "
        "here: mine_generate_recording.",
    ]


def test_nothing_to_do_and_nothing_known(tmp_path):
    assert list(forecast([], tmp_path, NO_DISK)) == ["Nothing is to be made: all that was asked for is there."]
    (tmp_path / "broken.tsv").write_text("s\nmany\n")
    jobs = [PlannedJob("broken", str(tmp_path / "broken.tsv")), PlannedJob("other", "elsewhere.tsv")]
    assert list(forecast(jobs, tmp_path, NO_DISK)) == ["This run has 2 jobs."]
    assert list(forecast(jobs[:1], tmp_path, NO_DISK)) == ["This run has 1 job."]


def test_long_times_are_in_words(tmp_path):
    for seconds, words in ((89, "89 s"), (600, "10 minutes"), (7200, "2.0 hours")):
        (tmp_path / "a.tsv").write_text(f"{HEADER}{seconds}\t\t\n")
        assert words in list(forecast([PlannedJob("a", str(tmp_path / "a.tsv"))], tmp_path, NO_DISK))[1]
