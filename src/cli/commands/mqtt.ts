import { addGroup } from '../connection.ts'
import { addBench } from '../mqtt/bench.ts'
import { addOperatorCommands } from '../mqtt/operator.ts'
import { addPub, addSub } from '../mqtt/traffic.ts'
import type { AddCommand } from './command.ts'

/** The MQTT broker: as its operator, and as a client of it. */
export const mqtt: AddCommand = (program) => {
  const group = addGroup(
    program,
    'mqtt',
    'The MQTT broker: clients, sessions, retained messages; pub, sub, bench.',
  )
  addOperatorCommands(group)
  addPub(group)
  addSub(group)
  addBench(group)
}
