"""The Hudi tables of the corpus, by what their metadata tables have."""

from tests.corpus import cases

WITH_METADATA = [case for case in cases("hudi") if "nomdt" not in case.name]
WITHOUT_METADATA = [case for case in cases("hudi") if "nomdt" in case.name]

# Hudi 0.15 makes no statistics unless it is asked to.
WITH_STATISTICS = [
    case for case in WITH_METADATA if not case.name.startswith("hudi/w0150") and case.name != "hudi/empty"
]

# Below version 8 hudi-rs does not use the metadata table; some it does not open, for partition columns or for a type.
READ_BY_HUDI_RS = [
    case
    for case in WITH_METADATA
    if (case.table_version or 0) >= 8
    and case.name not in {"hudi/custom_keygen", "hudi/drop_part_cols", "hudi/types_all", "hudi/empty"}
]
