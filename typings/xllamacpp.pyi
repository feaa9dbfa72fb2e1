"""What Naestro uses of xllamacpp, an extension module that brings no type information of its own."""

class CpuParams:
    n_threads: int

class CommonParamsModel:
    path: str

class CommonParamsSpeculativeNgramMod:
    n_match: int
    n_min: int
    n_max: int

class common_speculative_type:
    COMMON_SPECULATIVE_TYPE_NGRAM_MOD: common_speculative_type

class CommonParamsSpeculative:
    types: list[common_speculative_type]
    ngram_mod: CommonParamsSpeculativeNgramMod

class CommonParams:
    model: CommonParamsModel
    offline: bool
    fit_params: bool
    hostnames: list[str]
    port: int
    api_keys: list[str]
    ui: bool
    endpoint_metrics: bool
    endpoint_slots: bool
    verbosity: int
    n_parallel: int
    n_ctx: int
    n_batch: int
    n_ubatch: int
    kv_unified: bool
    slot_save_path: str
    cache_prompt: bool
    cache_ram_mib: int
    cache_idle_slots: bool
    cpuparams: CpuParams
    cpuparams_batch: CpuParams
    speculative: CommonParamsSpeculative

class Server:
    def __init__(self, params: CommonParams) -> None: ...
    @property
    def listening_address(self) -> str: ...
