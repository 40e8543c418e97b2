"""Which modules of the SDK a filter imports, and so which interfaces of the contract it needs: ``python interfaces.py FOLDER`` prints
``kv`` for each that ``filter.py``, or any module that it imports from the folder, imports as ``weir.kv``. For builds: nothing is run."""

import sys
from modulefinder import ModuleFinder
from pathlib import Path

folder = Path(sys.argv[1])
# neither the standard library nor what is installed: only what goes into the component
finder = ModuleFinder(path=[str(folder)])
finder.run_script(str(folder / "filter.py"))
for name in sorted(finder.modules):
    if name.startswith("weir.") and name.count(".") == 1:
        print(name.removeprefix("weir."))
