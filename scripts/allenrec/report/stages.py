"""The register of stages: the words for what rules do, by the names of the rules."""

#: The stages in the order in which they run, and how the names of their rules begin; other rules come after them
STAGES = {
    "Models fetched and checked": ("download_",),
    "Mechanisms compiled": ("compile_mechanisms",),
    "Kernels compiled": ("compile_",),
    "Spikes simulated": ("simulate_",),
    "Templates computed": ("compute_",),
    "Libraries joined": ("concatenate_",),
    "Recordings generated": ("generate_",),
    "Other formats written": ("export_",),
    "Spike sorters run": ("evaluate_",),
    "Figures drawn": ("plot_", "view_"),
    "Tables and settings": ("tabulate_", "save_", "list_", "summarise_", "query", "convert_"),
    "Report written": ("write_report",),
}


def stage_of(rule: str) -> str:
    """Return the stage of a rule; its own name, in words, if it belongs to none."""
    return next((stage for stage, begins in STAGES.items() if rule.startswith(begins)), rule.replace("_", " ").capitalize())
