"""Run a sorter on recordings, in the environment of the sorters. evaluate_sorter.py starts it with a job as JSON."""

import json
import os
import sys

from allenrec.common.lifetime import end_with
from allenrec.evaluation.tables import LACKS_PACKAGE, SortingJob

if __name__ == "__main__":
    end_with(os.getppid())
    try:
        from allenrec.evaluation.sorting import main
    except ImportError as error:
        print(error, file=sys.stderr)
        sys.exit(LACKS_PACKAGE)
    main(SortingJob(**json.loads(sys.argv[1])))
