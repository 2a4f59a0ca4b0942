import { addGroup } from '../connection.ts'
import { addC2d } from '../iot/c2d.ts'
import { addRegistryCommands } from '../iot/registry-commands.ts'
import { addSend } from '../iot/send.ts'
import { addSimulate } from '../iot/simulate.ts'
import { addTwinCommands } from '../iot/twin-commands.ts'
import type { AddCommand } from './command.ts'

/** Devices of an IoT hub: as the service that looks after them, and in the place of the devices themselves. */
export const device: AddCommand = (program) => {
  const group = addGroup(
    program,
    'device',
    'Devices of an IoT hub: create, list, show, delete, connection-string, twin, query, invoke, send, c2d, simulate.',
  )
  addRegistryCommands(group)
  addTwinCommands(group)
  addSend(group)
  addC2d(group)
  addSimulate(group)
}
