"""Which keys a configuration file sets by the wish of its user."""

from __future__ import annotations

from pathlib import Path

from config.decoding import KEY, read_decoding
from config.keys import flatten_sections
from config.layers import FOLDER, list_corpora, read_layer
from config.load import load_config, to_dict
from config.schema import Config


def list_file_keys(path: str | Path, config: Config) -> set[str]:
    """The keys, dotted, that the user of a configuration file has set in it.

    What the files of this project say as they come is no wish of a user, and may be something else in another version:
    of baseline.yaml and its neighbours those keys count alone whose values would be others without the file.

    Args:
        path: the file.
        config: the configuration that was made with it.
    """
    layer = read_layer(path, [], [])
    keys = {*flatten_sections(layer.keys), *flatten_sections(layer.systems.get(config.system, {}))}
    keys |= set(read_decoding(layer.keys.get(KEY)))
    if Path(path).resolve().parent != FOLDER:
        return keys
    kept = ("system", "dataset") if config.dataset in list_corpora() else ("system", "dataset", "prepared", "normalise")
    usual = load_config(None, {key: getattr(config, key) for key in kept})[0]
    without = flatten_sections(to_dict(usual)) | {"system": Config.system, "dataset": Config.dataset}
    return {key for key in keys if flatten_sections(to_dict(config)).get(key) != without.get(key)}
