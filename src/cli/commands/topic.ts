import { topicKind } from '../azure.ts'
import { addKeyedResourceCommands } from '../keyed-resources.ts'
import type { AddCommand } from './command.ts'

export const topic: AddCommand = (program) =>
  addKeyedResourceCommands(program, topicKind, 'Topics: create, list, show, delete, keys.')
