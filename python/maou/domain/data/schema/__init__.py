"""The five record types as Polars schemas, numpy dtypes, empty frames and conversions.

| record | one row is |
|---|---|
| HCPE | a position of a game with its evaluation, as game records convert to it |
| Intermediate | the running sums of one position over many games |
| Preprocessing | a position as training features |
| Stage 1 | a position and the squares its pieces reach |
| Stage 2 | a position and its legal moves |

A frame that breaks its schema raises `SchemaValidationError`, which names the column. Checks are structural:
names, types, nulls and lengths; they do not judge values. A list column may be a Polars `List` or an `Array`,
and columns may come in any order.
"""

from maou.domain.data.schema.dtypes import (
    get_hcpe_dtype,
    get_hcpe_polars_schema,
    get_intermediate_dtype,
    get_intermediate_polars_schema,
    get_preprocessing_dtype,
    get_preprocessing_polars_schema,
    get_stage1_dtype,
    get_stage1_polars_schema,
    get_stage2_dtype,
    get_stage2_polars_schema,
)
from maou.domain.data.schema.empty import (
    create_empty_hcpe_array,
    create_empty_hcpe_df,
    create_empty_intermediate_array,
    create_empty_intermediate_df,
    create_empty_preprocessing_array,
    create_empty_preprocessing_df,
    create_empty_stage1_array,
    create_empty_stage1_df,
    create_empty_stage2_array,
    create_empty_stage2_df,
)
from maou.domain.data.schema.errors import SchemaValidationError
from maou.domain.data.schema.records import MOVE_LABELS_NUM
from maou.domain.data.schema.to_numpy import (
    convert_hcpe_df_to_numpy,
    convert_preprocessing_df_to_numpy,
    convert_stage1_df_to_numpy,
    convert_stage2_df_to_numpy,
)
from maou.domain.data.schema.validate import (
    validate_hcpe_df,
    validate_intermediate_df,
    validate_preprocessing_df,
    validate_stage1_df,
    validate_stage2_df,
)

__all__ = [
    "MOVE_LABELS_NUM",
    "SchemaValidationError",
    "convert_hcpe_df_to_numpy",
    "convert_preprocessing_df_to_numpy",
    "convert_stage1_df_to_numpy",
    "convert_stage2_df_to_numpy",
    "create_empty_hcpe_array",
    "create_empty_hcpe_df",
    "create_empty_intermediate_array",
    "create_empty_intermediate_df",
    "create_empty_preprocessing_array",
    "create_empty_preprocessing_df",
    "create_empty_stage1_array",
    "create_empty_stage1_df",
    "create_empty_stage2_array",
    "create_empty_stage2_df",
    "get_hcpe_dtype",
    "get_hcpe_polars_schema",
    "get_intermediate_dtype",
    "get_intermediate_polars_schema",
    "get_preprocessing_dtype",
    "get_preprocessing_polars_schema",
    "get_stage1_dtype",
    "get_stage1_polars_schema",
    "get_stage2_dtype",
    "get_stage2_polars_schema",
    "validate_hcpe_df",
    "validate_intermediate_df",
    "validate_preprocessing_df",
    "validate_stage1_df",
    "validate_stage2_df",
]
