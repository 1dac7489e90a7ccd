"""The parts of `python -m maou.infra.utility.benchmark_polars_io`.

| module | is |
|---|---|
| `cells` | what is measured: kinds, sizes, operations, libraries, and the figures |
| `data` | the files that are read |
| `limits` | whether memory and disk are enough |
| `run` | starts a process for each library and lets them take turns |
| `child` | that process |
| `libraries` | the operations, as a user of each library would write them |
| `memory` | peak memory of an operation |
| `report`, `plot`, `facts` | tables and JSON, diagrams, machine and versions |
"""
