import { type Command, Option } from 'commander'
import { type SettingName, settings } from '../../config.ts'

/** Adds one command, with its help, to the program. */
export type AddCommand = (program: Command) => void

/** The flag of a setting, as commander knows it. Whether it was given is for `readOptions` to weigh. */
export function settingOption(name: SettingName): Option {
  const setting: { flag: string; variable: string; placeholder?: string; default?: string; meaning: string } =
    settings[name]
  const { flag, placeholder, default: byDefault, meaning, variable } = setting
  const notes = byDefault === undefined ? `env: ${variable}` : `default: ${byDefault}, env: ${variable}`
  return new Option(placeholder ? `${flag} <${placeholder}>` : flag, `${meaning} (${notes})`)
}

/** What commander found, as `readOptions` takes it: a flag without a value says `on`. */
export function flagValues(
  found: Readonly<Record<string, string | boolean | undefined>>,
): Partial<Record<SettingName, string>> {
  return Object.fromEntries(
    Object.entries(found)
      .filter(([name, value]) => name in settings && value !== undefined)
      .map(([name, value]) => [name, value === true ? 'on' : String(value)]),
  )
}
