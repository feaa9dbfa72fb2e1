"""The process that the wheel's llama.cpp server runs in: `python -m naestro.engines.llama_child`.

`guard` starts it with the parameters as one line of JSON on its standard input, which then stays open: its end is
the order to end. xllamacpp runs the server inside the process that makes it, and holds the interpreter's lock while
the model loads, so nothing here can watch anything during that time: that is the guard's part. It knows no engine
and no supervisor.
"""

import json
import os
import sys
from typing import TYPE_CHECKING

from naestro.engines.llama_parameters import (
    BATCH_TOKENS,
    LOG_VERBOSITY,
    NGRAM_MATCH,
    NGRAM_MAX,
    NGRAM_MIN,
    Parameters,
)

if TYPE_CHECKING:
    from xllamacpp import CommonParams


def common_params(parameters: Parameters) -> "CommonParams":
    """`parameters` as xllamacpp wants them."""
    from xllamacpp import CommonParams

    params = CommonParams()
    params.model.path = parameters.model
    params.offline = True
    # It would measure memory by a trial load (3 s for a 0.5B model), and shrink what was asked for.
    params.fit_params = False
    _set_door(params, parameters)
    _set_slots(params, parameters)
    _set_work(params, parameters)
    return params


def _set_door(params: "CommonParams", parameters: Parameters) -> None:
    """Who may come in: this machine, with the key, and through no more doors than are used."""
    params.hostnames = ["127.0.0.1"]
    params.port = parameters.port
    params.api_keys = [parameters.api_key]
    params.ui = False
    params.endpoint_metrics = True
    params.endpoint_slots = True
    params.verbosity = LOG_VERBOSITY


def _set_slots(params: "CommonParams", parameters: Parameters) -> None:
    params.n_parallel = parameters.slots
    params.n_ctx = parameters.total_context_tokens
    # A slot's state is copied to another by file, which a unified cache does not keep apart.
    params.kv_unified = False
    params.slot_save_path = parameters.slot_folder
    params.cache_prompt = True
    # The server's own cache of prompts in memory does not serve two requests that come at once.
    params.cache_ram_mib = 0
    params.cache_idle_slots = False


def _set_work(params: "CommonParams", parameters: Parameters) -> None:
    from xllamacpp import common_speculative_type

    params.n_batch = BATCH_TOKENS
    params.n_ubatch = BATCH_TOKENS
    params.cpuparams.n_threads = parameters.threads
    params.cpuparams_batch.n_threads = parameters.threads
    speculative = params.speculative
    speculative.types = [common_speculative_type.COMMON_SPECULATIVE_TYPE_NGRAM_MOD]
    speculative.ngram_mod.n_match = NGRAM_MATCH
    speculative.ngram_mod.n_min = NGRAM_MIN
    speculative.ngram_mod.n_max = NGRAM_MAX


def main() -> (
    None
):  # pragma: no cover - this process is ended by SIGKILL, or by _exit: no coverage is written
    """Serve until standard input ends."""
    from xllamacpp import Server

    parameters = Parameters(**json.loads(sys.stdin.buffer.readline()))
    try:
        _server = Server(common_params(parameters))
    except RuntimeError:
        sys.exit(1)  # it says the same for every cause; the cause was logged before
    while sys.stdin.buffer.read(1):
        pass
    # A plain exit takes the server down in order, which waits for the answers under way.
    os._exit(0)


if __name__ == "__main__":  # pragma: no cover - see main
    main()
