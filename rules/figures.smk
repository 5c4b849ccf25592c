# Figures of cells, libraries and recordings. The register of figures lists all figures: scripts/allenrec/figures/register.py.
# A text file beside each figure says what it shows.

from allenrec.figures.drawings import DRAWINGS, figure_outputs

#: The folder of all figures
FIGURES = "<results>/figures"
#: The files that each rule draws from
SOURCES = {
    "plot_cell": "<results>/intracellular/{model}.h5",
    "plot_mean_eap": "<results>/libraries/{library}/cells/{model}.h5",
    "plot_library": "<results>/libraries/{library}/templates.h5",
    "plot_realism": "<results>/cells.csv",
    "plot_recording": "<results>/recordings/{recording}/recording.h5",
    "plot_drift": "<results>/recordings/{recording}/recording.h5",
    "plot_evaluation": [f"<results>/evaluation/{{recording}}/{sorter}.csv" for sorter in settings.evaluation.sorters],
    "plot_study": "<results>/evaluation/studies/{study}.csv",
}


rule figures:
    """All figures. Each rule draws all of its figures at once, so one of them stands for the others."""
    input:
        expand(figure_outputs(FIGURES, "plot_cell")[0], model=cells),
        expand(figure_outputs(FIGURES, "plot_mean_eap")[0], library=COMPUTED[:1], model=cells),
        expand(figure_outputs(FIGURES, "plot_library")[0], library=settings.libraries),
        figure_outputs(FIGURES, "plot_realism")[0],
        expand(figure_outputs(FIGURES, "plot_recording")[0], recording=settings.recordings),
        expand(
            figure_outputs(FIGURES, "plot_drift")[0],
            recording=[name for name, recording in settings.recordings.items() if recording.recordings.drifting],
        ),
        expand(f"{FIGURES}/recordings/{{recording}}/viewer.html", recording=settings.recordings),


for drawing in DRAWINGS.values():
    # Some rules draw over all libraries at once.
    over = {"library": COMPUTED} if drawing.over == "library" else {}

    rule:
        """All figures of a cell, of a cell on the probes, of a library, of a recording, or of all cells."""
        name:
            drawing.rule
        input:
            expand(SOURCES[drawing.rule], **over, allow_missing=True),
        output:
            figures=ensure(expand(figure_outputs(FIGURES, drawing.rule), **over, allow_missing=True), non_empty=True),
            captions=expand(figure_outputs(FIGURES, drawing.rule, ".txt"), **over, allow_missing=True),
        log:
            f"<logs>/{drawing.log}",
        benchmark:
            f"<benchmarks>/{drawing.benchmark}"
        # Nothing but the report waits for figures.
        priority: -1
        group:
            drawing.group
        conda:
            "../envs/analysis.yaml"
        threads: 1
        resources:
            mem_mb=mem_mb(drawing.mem_mb),
            runtime=runtime(drawing.minutes),
        params:
            code_digest=code_digest("figures/draw.py", *drawing.modules),
            drawing=drawing.rule,
        message:
            drawing.message
        script:
            "../scripts/figures/draw.py"


rule view_recording:
    """A recording in the browser: the viewer of its first minute, a page of its own, and the tables behind the figures."""
    input:
        recording="<results>/recordings/{recording}/recording.h5",
    output:
        viewer=ensure(f"{FIGURES}/recordings/{{recording}}/viewer.html", non_empty=True),
        caption=f"{FIGURES}/recordings/{{recording}}/viewer.txt",
        item=ensure(f"{FIGURES}/recordings/{{recording}}/viewer.json", non_empty=True),
        units=f"{FIGURES}/recordings/{{recording}}/units.csv",
        facts=ensure(f"{FIGURES}/recordings/{{recording}}/facts.json", non_empty=True),
    log:
        "<logs>/view_recording/{recording}.log",
    benchmark:
        "<benchmarks>/view_recording/{recording}.tsv"
    priority: -1
    group:
        "recording"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1500),
        runtime=runtime(10),
    params:
        code_digest=code_digest("figures/view_recording.py"),
        # The number of values of the traces in the page; each takes about one byte.
        n_values=8_000_000,
    message:
        "Making the viewer of recording {wildcards.recording}"
    script:
        "../scripts/figures/view_recording.py"
