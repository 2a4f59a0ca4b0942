import { domainKind } from '../azure.ts'
import { addKeyedResourceCommands } from '../keyed-resources.ts'
import type { AddCommand } from './command.ts'

export const domain: AddCommand = (program) =>
  addKeyedResourceCommands(program, domainKind, 'Domains: create, list, show, delete, keys.')
