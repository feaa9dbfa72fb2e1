"""What the environment sets: its variables as a nested mapping, by pydantic-settings.

`config` above imports this module when it reads the settings, and not before: pydantic-settings takes as long to import
as everything that a resumed run needs. Below it stands `config_tree`. Values stay text; the tree checks them. Whose
environment it is, `config` says.
"""

from collections.abc import Mapping

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


class _Variables(EnvSettingsSource):
    """The variables of one environment, which need not be the process's."""

    def __init__(self, settings: type[BaseSettings], variables: Mapping[str, str]) -> None:
        """Read `variables` by the names that `settings` gives them; an empty one counts as none."""
        self._given = variables
        super().__init__(settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        """What the base class would take from the process: names in lower case, since case does not count."""
        return {name.lower(): value for name, value in self._given.items() if value}


def flag_variables(variables: Mapping[str, str]) -> dict[str, object]:
    """The values of the variables that name flags."""
    return _Variables(_FlagVariables, variables)()


def setting_variables(variables: Mapping[str, str]) -> dict[str, object]:
    """The values of the variables that name settings, nested as in the tree."""
    return _Variables(_SettingVariables, variables)()
