"""Find the model in one of the sources, and check it."""

import os
import time
from pathlib import Path

from allenrec.common.job_log import job_log
from allenrec.common.outcomes import recorded_outcome

with job_log(snakemake) as terminal:
    from tqdm import tqdm

    from allenrec.models.sources import fetch_model

    models_folder = Path(snakemake.output[0]).parents[1]
    with recorded_outcome(snakemake, "download_model", terminal):
        folder = fetch_model(snakemake.wildcards.model, models_folder, snakemake.params.settings.models)
        print(f"{folder}: complete and valid")

    # The progress of all downloads of this run; each is a job of its own.
    began, wanted = map(float, os.environ["ALLENREC_DOWNLOADS"].split())
    done = sum(path.stat().st_mtime >= began for path in models_folder.glob("*/verified.json"))
    bar = tqdm.format_meter(done, max(done, int(wanted)), time.time() - began, ncols=88, prefix="Models", unit="model")
    print(bar, file=terminal)
