"""What the environment sets: its variables as a nested mapping, by pydantic-settings.

`config` above imports this module when it reads the settings, and not before: pydantic-settings takes as long to import
as everything that a resumed run needs. Below it stands `config_tree`. Values stay text; the tree checks them.
"""

from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from naestro.config_tree import Flags, Settings


class _FlagVariables(Flags, BaseSettings):
    """The flags, by their bare names."""

    model_config = SettingsConfigDict(env_ignore_empty=True, enable_decoding=False)


class _SettingVariables(Settings, BaseSettings):
    """All settings: `NAESTRO_COUNCIL__CONSENSUS`."""

    model_config = SettingsConfigDict(
        env_prefix="NAESTRO_", env_nested_delimiter="__", env_ignore_empty=True, enable_decoding=False
    )


def flag_variables() -> dict[str, object]:
    """The values of the variables that name flags."""
    return EnvSettingsSource(_FlagVariables)()


def setting_variables() -> dict[str, object]:
    """The values of the variables that name settings, nested as in the tree."""
    return EnvSettingsSource(_SettingVariables)()
