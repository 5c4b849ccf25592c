"""Runs in MEArec's environment: a half of its default library, by its own command in Python. Started by `bbp.py`.

The only argument is JSON: `models` (the folder of the models, with `mods/` compiled), `folder` (for results), `n` (templates a
cell), `n_jobs`, `intraonly` (whether to stop after the simulation), `seed`. Prints JSON on its last line.
"""

import contextlib
import json
import os
import sys
from pathlib import Path

import MEArec


def main():
    job = json.loads(sys.argv[1])
    folder = Path(job["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)  # MEArec writes its parameters into the working directory
    params = MEArec.get_default_templates_params() | {"n": job["n"], "seed": job["seed"]}
    templates = None
    # MEArec 1.11.0 looks for templates also where it was asked for the simulation alone.
    nothing_found = contextlib.suppress(FileNotFoundError) if job["intraonly"] else contextlib.nullcontext()
    with contextlib.redirect_stdout(sys.stderr), nothing_found:
        templates = MEArec.gen_templates(
            job["models"],
            params=params,
            templates_tmp_folder=str(folder / "templates"),
            intraonly=job["intraonly"],
            n_jobs=job["n_jobs"],
            verbose=False,
        )
        if not job["intraonly"]:
            MEArec.save_template_generator(templates, str(folder / "templates.h5"))
    print("\n" + json.dumps({"n_templates": 0 if templates is None else len(templates.templates)}))


if __name__ == "__main__":
    main()
