"""What the documents promise, one by one, and the tests that prove it.

`PROMISES` are those of docs/faults.md and README.md as they were in commit aa81825; `FAULTS` are the rows of the table in
docs/faults.md today. Each names its tests, and these have to be there. A promise that no other test proves has one below.
"""

import ast
import re
import subprocess
import sys

import pytest
import yaml
from support import COLLECTED, ROOT
from workflow.snake import jobs_of_dry_run, snakemake

FAULT, RUN, UNIT, HERE = "faults/test_faults.py", "workflow/test_run.py", "unit/", "workflow/test_promises.py"
FORMATS, PLAN, SLURM = "unit/recordings/formats/test_formats.py", "unit/recordings/test_plan.py", "slurm/test_slurm.py"
REPORT, PAGE = "unit/report/test_report.py", "workflow/test_report_page.py"

#: Each promise of aa81825, with module and name of its tests below tests/
PROMISES = {
    # docs/faults.md
    "a killed run goes on where it stopped, and every dataset has the bytes of an undisturbed run": (
        f"{FAULT}::test_run_killed_at_any_moment_is_finished_with_the_same_bytes",
        f"{RUN}::test_run_on_two_cores_that_is_killed_twice_gives_the_same_bytes",
    ),
    "a half-written file is never found under its name; what a killed run left beside is removed": (
        f"{UNIT}common/test_files.py::test_error_leaves_the_old_folder_and_nothing_else",
        f"{UNIT}common/test_files.py::test_folders_of_killed_runs_are_cleared_and_those_of_others_are_not",
        f"{FORMATS}::test_killed_half_way_leaves_nothing_under_the_final_name",
    ),
    "a full disk is one line with the file, and nothing half-written stays": (
        f"{FAULT}::test_full_disk_is_named_and_leaves_nothing_half_written",
        f"{FAULT}::test_disk_that_fills_amid_a_recording_leaves_nothing_half_written",
        f"{FORMATS}::test_disk_that_fills_up_is_one_message_and_leaves_nothing",
    ),
    "a recording whose size is known beforehand is not begun": (
        f"{RUN}::test_recording_that_the_disk_cannot_hold_is_refused_before_it_is_computed",
        f"{FORMATS}::test_disk_that_is_too_small_is_refused_before_anything_is_written",
    ),
    "a read-only results folder is one line before anything runs": (
        f"{FAULT}::test_read_only_folder_is_named_before_anything_runs",
    ),
    "a damaged intermediate file is named by the job that reads it; no result is made from it": (
        f"{FAULT}::test_damaged_file_is_named_and_never_used",
        f"{UNIT}test_damage.py::test_damaged_file_is_one_line_or_reads_as_it_was_written",
    ),
    "what depends on a damaged file alone is made again after it is deleted": (
        f"{FAULT}::test_damaged_file_is_named_and_never_used",
    ),
    "damaged compiled mechanisms are compiled anew": (
        f"{FAULT}::test_damaged_mechanisms_are_compiled_anew",
        f"{UNIT}models/test_verified.py::test_approved_library_is_found_and_another_one_is_compiled_anew",
    ),
    # Since then, the exit code is 0 if libraries could be made: the failure is a result, which is recorded.
    "a model that fails in any stage takes no other down; left_out.csv and the report name it": (
        f"{FAULT}::test_library_of_the_others_where_a_model_fails",
        "workflow/test_cell_models.py::test_model_without_its_morphology_does_not_take_the_others_down",
        f"{PAGE}::test_report_names_a_model_that_failed",
    ),
    "the exit code is 1 if a file of such a model is asked for, or no model is left": (
        f"{FAULT}::test_file_of_a_failed_model_that_is_asked_for_is_an_error_until_the_model_is_mended",
        f"{FAULT}::test_run_without_any_sound_model_is_an_error_that_names_the_reason",
    ),
    # It was by every next run; now when something that the stage depends on changes, or by --forcerun.
    "a failed model is tried again": (f"{FAULT}::test_failure_is_forced_to_be_tried_again",),
    "of two runs in one folder the second stops, and the first is not disturbed": (
        f"{FAULT}::test_second_run_in_the_same_folder_stops_and_breaks_nothing",
    ),
    "an external job that is cancelled, loses its node or needs more is tried again with more": (
        f"{SLURM}::test_cancelled_job_is_tried_again_with_more",
        f"{SLURM}::test_lost_node_costs_no_result",
        f"{SLURM}::test_job_over_its_memory_or_time_is_tried_again_with_more",
    ),
    "a model in models.leave_out is not tried": (f"{HERE}::test_model_that_is_left_out_is_not_tried",),
    "a job runs again when a value, a file or the code that it uses changes, and then what depends on it; nothing else": (
        f"{FAULT}::test_changed_value_runs_what_depends_on_it_and_nothing_else",
        f"{RUN}::test_changed_file_of_a_probe_runs_what_is_on_it",
        f"{RUN}::test_changed_library_code_runs_what_uses_it",
        f"{UNIT}common/test_code_digest.py::test_a_recording_depends_on_its_noise_and_a_library_does_not",
    ),
    "config.yaml and the report are written again after every change": (
        f"{FAULT}::test_changed_value_runs_what_depends_on_it_and_nothing_else",
    ),
    "a dry run says what would be done, and why": (f"{RUN}::test_dry_run_says_which_key_had_which_value_and_has_now",),
    "--rerun-triggers mtime looks at the age of files only": (f"{HERE}::test_age_of_files_alone_may_decide",),
    # README.md: start, and what it makes
    "make installs the versions of the lock, and says in one line what is missing": (
        f"{UNIT}test_installation.py::test_make_installs_where_the_environment_does_not_work",
        f"{UNIT}test_installation.py::test_one_line_says_what_is_missing",
        "workflow/test_repository.py::test_locks_name_no_host_and_have_hashes",
    ),
    "the default cells come from the wheel, without an Allen server": (
        f"{UNIT}models/test_sources.py::test_folder_of_a_wheel_model_is_complete",
        f"{UNIT}models/test_sources.py::test_list_of_the_wheel_is_the_one_of_the_facts",
    ),
    "the default run is what it was": ("workflow/test_default_run.py::test_default_run_gives_the_bytes_that_it_gave",),
    "the report is one file that needs no network": (f"{PAGE}::test_report_loads_nothing_and_nothing_goes_wrong",),
    "the report shows what was asked for, times, cells, libraries and recordings": (
        f"{PAGE}::test_numbers_on_the_page_are_those_of_the_files",
        f"{PAGE}::test_viewer_shows_the_traces_and_pans",
    ),
    "where jobs failed, report_so_far.html names what is missing and why": (
        f"{REPORT}::test_a_run_in_which_every_job_failed_has_a_report_that_says_so",
        f"{FAULT}::test_damaged_file_is_named_and_never_used",
    ),
    "each figure has a text beside it": (f"{PAGE}::test_figures_have_captions_as_files_and_on_the_page",),
    "all results of the table are there": (f"{RUN}::test_everything_that_was_asked_for_is_there",),
    "probes: a table and a picture": ("workflow/test_probe_table.py::test_table_and_picture_follow_the_files",),
    "evaluate: sorters unit by unit, or one line where there are none": (
        "workflow/test_evaluate.py::test_two_recordings_two_sorters_of_which_one_is_not_installed",
        "workflow/test_evaluate.py::test_missing_sorters_are_one_line_before_anything_runs",
    ),
    "all formats hold the same samples, units and spikes, through the readers that people use": (
        f"{FORMATS}::test_samples_and_gains_are_those_of_the_recording",
        f"{FORMATS}::test_spikes_and_units_are_those_of_the_recording",
        f"{PLAN}::test_mearec_reads_what_was_written",
        f"{PLAN}::test_neo_reads_what_was_written",
    ),
    "int16 are counts rounded to the nearest; what is clipped is counted and named in the log": (
        f"{FORMATS}::test_integers_are_the_floats_rounded",
        f"{FORMATS}::test_clipped_samples_are_counted_and_stored",
        f"{RUN}::test_other_formats_without_the_file_that_they_are_written_from",
    ),
    "one more format computes nothing again; without mearec the file is deleted": (
        f"{RUN}::test_other_formats_without_the_file_that_they_are_written_from",
        f"{FAULT}::test_changed_value_runs_what_depends_on_it_and_nothing_else",
    ),
    "logs say how large a recording will be, and how far it is": (
        f"{RUN}::test_other_formats_without_the_file_that_they_are_written_from",
    ),
    "templates.csv has features of each waveform at its loudest contact": (
        f"{UNIT}waveforms/test_features.py::test_features_are_of_the_peak_contact",
        f"{UNIT}libraries/test_library_file.py::test_features_are_those_of_the_templates_beside_them",
    ),
    "what a template does not have is empty": (
        f"{UNIT}waveforms/test_features.py::test_features_that_cannot_be_measured_are_nan",
        f"{UNIT}waveforms/test_features.py::test_speed_needs_delays_along_enough_contacts",
    ),
    "cells of the database take a specimen id and a source": (
        "workflow/test_allen_site.py::test_cells_by_specimen_are_compared_with_the_recorded_ones_and_flags_travel",
    ),
    "a question becomes a table of all cells that answer": (
        "workflow/test_allen_site.py::test_question_is_asked_once_on_demand",
    ),
    "a mistake in the configuration or the table is one line before anything runs": (
        "workflow/test_bad_configuration.py::test_bad_configuration",
        "workflow/test_bad_configuration.py::test_bad_cell_table",
        "fuzz/test_configuration.py::test_any_change_of_any_key_is_one_line_or_valid",
    ),
    "a Slurm cluster gives the same results": (f"{SLURM}::test_same_bytes_as_on_a_workstation_from_few_jobs",),
    # README.md: how right it is
    "rest and spike counts equal AllenSDK's for all models of the wheel": (
        f"{UNIT}intracellular/test_cell.py::test_spike_counts_and_rest_are_those_of_allensdk",
    ),
    "archives are checked before they have a place": (
        f"{UNIT}models/test_allen.py::test_unsound_archive_is_refused_before_it_has_a_place",
    ),
    "mod files are known by digest or refused": (
        f"{UNIT}models/test_mechanisms.py::test_unknown_mod_file_is_named_and_stops_unless_it_is_trusted",
        "workflow/test_allen_site.py::test_unknown_mod_file_stops_its_model_before_it_is_compiled",
    ),
    "a fit cannot be loaded by the other kind's recipe": (
        f"{UNIT}models/test_archive.py::test_fit_of_one_kind_under_the_name_of_the_other_is_refused",
    ),
    "models are held against the recorded spike counts of their cells": (
        f"{UNIT}intracellular/test_simulation.py::test_model_is_compared_with_its_recorded_cell",
    ),
    "the forward model is LFPy's, to 1e-9 of every entry": (
        f"{UNIT}libraries/test_forward_model.py::test_line_source_equals_lfpy_on_a_hundred_poses",
        f"{UNIT}libraries/test_forward_model.py::test_other_sources_equal_lfpy",
    ),
    "contacts of finite size are averaged": (
        f"{UNIT}libraries/test_forward_model.py::test_disc_average_approaches_the_analytic_one",
        f"{UNIT}libraries/test_contacts.py::test_mean_over_a_disc_is_the_analytic_one",
    ),
    "the contacts that were simulated are read back": (
        f"{UNIT}test_probes.py::test_spikeinterface_reads_the_geometry_that_was_written",
        f"{FORMATS}::test_any_contacts_arrive_exactly",
    ),
    "the stimulus leaves no trace; a template starts at zero": (
        f"{UNIT}libraries/test_eap.py::test_template_is_the_field_of_the_currents_without_the_stimulus",
        f"{UNIT}libraries/test_eap.py::test_currents_add_up_to_zero_and_templates_start_at_zero",
    ),
    "traces without noise are the sum of the placed templates, between samples": (
        f"{PLAN}::test_trace_without_noise_is_the_sum_of_the_templates_at_their_times",
        f"{PLAN}::test_noise_free_trace_equals_the_upsampled_templates_exactly",
        f"{PLAN}::test_spike_is_where_the_ground_truth_says",
    ),
    "units fire at the rate that was asked for, whatever the process, the refractory period and the synchrony": (
        f"{UNIT}recordings/spikes/test_processes.py::test_rate_is_kept_whatever_the_refractory_period",
        f"{UNIT}recordings/spikes/test_synchrony.py::test_pairs_have_the_synchrony_that_was_asked_for_and_units_keep_their_rates",
    ),
    "the file has the overlaps of every spike": (
        f"{UNIT}recordings/units/test_overlaps.py::test_labels_are_those_of_every_pair_of_spikes",
    ),
    "noise has the level that was asked for, before or after the filter, at every contact": (
        f"{UNIT}recordings/traces/test_noise.py::test_noise_has_its_level_where_it_was_asked_for",
        f"{PLAN}::test_noise_has_its_level_in_the_recording",
    ),
    "the covariance of noise is one at every pitch, and none of it comes twice": (
        f"{UNIT}recordings/traces/test_noise.py::test_covariance_is_positive_definite_at_every_pitch",
        f"{UNIT}recordings/traces/test_white_noise.py::test_no_block_of_noise_comes_twice_in_an_hour",
    ),
    "the filter is SciPy's, with no transients at the ends and no seams": (
        f"{UNIT}waveforms/test_filters.py::test_filter_is_that_of_scipy",
        f"{UNIT}waveforms/test_filters.py::test_pieces_with_margins_equal_the_filtered_whole",
        f"{PLAN}::test_filter_has_no_seams",
    ),
    "the same configuration gives the same bytes on any number of cores and in chunks of any length": (
        f"{RUN}::test_run_on_two_cores_that_is_killed_twice_gives_the_same_bytes",
        f"{PLAN}::test_no_sample_depends_on_chunks_or_threads",
        f"{UNIT}libraries/test_eap.py::test_templates_do_not_depend_on_threads",
    ),
    "adding a cell, a unit or a recording changes none of the others": (
        f"{PLAN}::test_another_unit_or_name_changes_what_it_should",
        f"{UNIT}recordings/units/test_selection.py::test_one_more_unit_changes_none_of_the_others",
        f"{UNIT}libraries/test_eap.py::test_larger_library_begins_with_the_smaller_one",
        f"{FAULT}::test_library_of_the_others_where_a_model_fails",
    ),
    "a spike sorter finds what was put in": ("workflow/test_evaluate.py::test_acceptance_of_the_physics",),
    "waveform features are those that SpikeInterface finds, and those of waveforms made to have them": (
        f"{UNIT}waveforms/test_features.py::test_real_templates_have_the_features_that_spikeinterface_finds",
        f"{UNIT}waveforms/test_features.py::test_gaussians_wherever_they_lie_between_samples",
        f"{UNIT}waveforms/test_features.py::test_speeds_of_a_travelling_spike",
    ),
    "max_behind limits how much of a cell is behind the plane": (
        f"{UNIT}libraries/test_build.py::test_share_of_the_membrane_behind_the_plane",
    ),
    # README.md: where things are
    "the library knows nothing of Snakemake": (f"{HERE}::test_library_imports_nothing_of_snakemake",),
    "only the cell and its simulation need NEURON": (f"{UNIT}test_package.py::test_import_is_fast_and_loads_no_simulator",),
    "every package has its reason": ("workflow/test_repository.py::test_every_dependency_has_its_reason_in_the_readme",),
    "NOTICE has the papers to cite": (f"{REPORT}::test_every_paper_of_the_notice_is_among_the_references",),
}

#: The rows of the table in docs/faults.md, by their first words
FAULTS = {
    "a run is killed": (f"{FAULT}::test_run_killed_at_any_moment_is_finished_with_the_same_bytes",),
    "Snakemake alone is killed": (
        f"{FAULT}::test_jobs_end_with_a_snakemake_that_is_ended_alone",
        f"{UNIT}common/test_lifetime.py::test_job_ends_with_a_workflow_that_is_killed",
        f"{UNIT}test_run_script.py::test_snakemake_ends_with_the_script",
    ),
    "the disk is full": (f"{FAULT}::test_full_disk_is_named_and_leaves_nothing_half_written",),
    "the results folder is read-only": (f"{FAULT}::test_read_only_folder_is_named_before_anything_runs",),
    "a file or folder may not be read": (
        f"{FAULT}::test_what_may_not_be_read_or_written_is_named_before_anything_runs",
        f"{UNIT}common/test_permissions.py::test_what_may_not_be_read_or_written_is_one_line",
        f"{UNIT}settings/test_input_files.py::test_a_file_that_may_not_be_read_is_one_line_with_its_key",
    ),
    "an intermediate file is cut short": (
        f"{UNIT}test_damage.py::test_damaged_file_is_one_line_or_reads_as_it_was_written",
        f"{FAULT}::test_damaged_file_is_named_and_never_used",
    ),
    "an intermediate file is that of another": (
        f"{UNIT}test_swapped_files.py::test_templates_of_another_one_are_not_joined",
        f"{FAULT}::test_file_of_another_model_in_its_place_is_named",
    ),
    "a sample, a template": (
        f"{UNIT}recordings/traces/test_blocks.py::test_samples_that_are_not_finite_are_an_error",
        f"{UNIT}intracellular/test_intracellular_file.py::test_numbers_that_are_not_finite_are_not_written",
    ),
    "standard output is closed": (
        f"{UNIT}common/test_lifetime.py::test_job_with_closed_streams_writes_its_log",
        f"{UNIT}test_run_script.py::test_run_goes_on_if_its_lines_are_lost",
    ),
    "compiled mechanisms are damaged": (f"{FAULT}::test_damaged_mechanisms_are_compiled_anew",),
    "a model's fit": (
        f"{UNIT}models/test_verified.py::test_model_that_changed_after_its_check_is_not_used",
        "workflow/test_trust.py::test_code_that_a_mod_file_gets_after_the_run_never_runs",
    ),
    "a server redirects elsewhere": (
        f"{UNIT}models/test_allen.py::test_https_never_becomes_http",
        f"{UNIT}models/test_allen.py::test_server_that_sends_a_byte_now_and_then_is_given_up",
        f"{UNIT}models/test_allen.py::test_archive_that_unpacks_too_large_is_refused",
    ),
    "the user's cache": (f"{UNIT}common/test_user_cache.py::test_folder_that_others_can_write_is_refused",),
    "a model fails": (f"{FAULT}::test_library_of_the_others_where_a_model_fails",),
    "the network, the disk": (f"{FAULT}::test_error_of_the_environment_is_no_failure_of_the_model",),
    "the configuration has a value": ("workflow/test_bad_configuration.py::test_bad_configuration",),
    "results or jobs would not fit": (
        "workflow/test_bad_configuration.py::test_sizes_and_models_that_are_left_out_are_checked_before_the_run",
    ),
    "the configuration file is not read": (
        f"{UNIT}settings/test_config_files.py::test_file_that_would_be_misread_is_one_line",
        f"{UNIT}settings/test_config_files.py::test_references_that_multiply_are_refused_before_they_are_built",
    ),
    "a morphology is not one cell": (
        f"{UNIT}models/test_archive.py::test_broken_morphology_is_named",
        f"{UNIT}models/test_archive.py::test_broken_fit_is_named",
    ),
    "a job gets no more memory": (
        f"{UNIT}common/test_lifetime.py::test_job_that_answers_does_so_on_standard_output_and_complains_on_standard_error",
    ),
    "a file that the configuration names is not": ("fuzz/test_files.py::test_any_edit_of_a_file_is_one_line_or_read",),
    "NEURON crashes": (f"{UNIT}common/test_crashes.py::test_crash_is_the_failure_of_the_model",),
    "the code of a model ends": (
        "workflow/test_cell_models.py::test_code_that_never_ends_or_quits_is_the_failure_of_its_model",
        f"{UNIT}intracellular/test_described_cells.py::test_code_that_takes_all_memory_fails_in_its_line",
        f"{UNIT}intracellular/test_described_cells.py::test_what_hoc_asks_is_answered_with_the_value_that_it_offers",
    ),
    "two runs are started": (f"{FAULT}::test_second_run_in_the_same_folder_stops_and_breaks_nothing",),
    "a cluster job is cancelled": (f"{SLURM}::test_cancelled_job_is_tried_again_with_more",),
}


def named_tests():
    return sorted({test for table in (PROMISES, FAULTS) for tests in table.values() for test in tests})


@pytest.mark.parametrize("module", sorted({test.partition("::")[0] for test in named_tests()}))
def test_every_promise_names_tests_that_are_there_and_assert_something(module):
    """A test that asserts nothing, or is skipped whatever happens, could not fail."""
    tree = ast.parse((ROOT / "tests" / module).read_text(encoding="utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    helpers = {name for name, node in functions.items() if can_fail(node)}
    for test in named_tests():
        if test.startswith(f"{module}::"):
            name = test.partition("::")[2]
            assert name in functions, f"{test} is not there"
            called = {node.id for node in ast.walk(functions[name]) if isinstance(node, ast.Name)}
            assert name in helpers or called & helpers, f"{test} asserts nothing"
            marks = [ast.unparse(mark) for mark in functions[name].decorator_list]
            assert not [mark for mark in marks if re.match(r"pytest\.mark\.(skip\b|skip\(|xfail)", mark)], test


def can_fail(function):
    """Return whether a function asserts something or expects an error."""
    return any(isinstance(node, ast.Assert) for node in ast.walk(function)) or bool(
        re.search(r"pytest\.raises|\bassert_\w+\(", ast.unparse(function))
    )


def test_pytest_collects_the_tests_of_all_promises(request):
    """Pytest itself says which of them it does not find: this session if it has collected all tests, else another one."""
    names = {f"tests/{test}" for test in named_tests()}
    others = names - request.config.stash[COLLECTED]
    if others:
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "", "-p", "no:cacheprovider", "-o"]
        command += ["addopts=--import-mode=importlib", *others]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
        assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
        assert {line.split("[")[0] for line in result.stdout.splitlines() if "::" in line} == others


def test_every_row_of_the_table_has_its_tests():
    text = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    table = text[text.index("| what happens |") : text.index("## Checksums")]
    rows = [line.split("|")[1].strip() for line in table.splitlines()[2:] if line.startswith("|")]
    assert len(rows) == len(FAULTS)
    for row, begin in zip(rows, FAULTS, strict=True):
        assert row.startswith(begin), f"{row!r} is not in FAULTS at its place"


# Promises that no other test proves


def test_model_that_is_left_out_is_not_tried(finished, tmp_path):
    """Even where everything runs again."""
    change = tmp_path / "change.yaml"
    change.write_text(yaml.safe_dump({"models": {"leave_out": [473863035]}}))
    result = snakemake(finished, "-n", "--forceall", "--configfile", change)
    assert result.returncode == 0, result.stderr
    assert "Simulating spikes of model 473863510" in result.stdout
    assert "Fetching and checking model 473863510" in result.stdout
    assert "model 473863035" not in result.stdout and "intracellular/473863035" not in result.stdout


def test_age_of_files_alone_may_decide(finished, tmp_path):
    change = tmp_path / "change.yaml"
    change.write_text(yaml.safe_dump({"seed": 1}))
    arguments = ("--configfile", str(change))
    assert "generate_recording" in jobs_of_dry_run(finished, *arguments)
    assert jobs_of_dry_run(finished, "--rerun-triggers", "mtime", *arguments) == set()


def test_library_imports_nothing_of_snakemake():
    for path in (ROOT / "scripts" / "allenrec").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0].startswith("snakemake")], path
