import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Budget } from './budget.ts'

test('nobody may hold more attempts than are left, so something is always left for others', () => {
  const budget = new Budget({ attempts: 10, bytes: 0 })
  let held = 0
  let told = 0
  while (budget.takeAttempt(held, () => told++)) held++
  assert.equal(held, 5)
  assert.equal(
    budget.takeAttempt(0, () => {}),
    true,
  )
  assert.equal(told, 0)
  budget.giveAttempt()
  assert.equal(told, 1)
})

test('bytes that are allowed become fewer as more are held', () => {
  const budget = new Budget({ attempts: 0, bytes: 1000 })
  assert.equal(
    budget.allowance(0, 800, () => {}),
    800,
  )
  budget.takeBytes(600)
  assert.equal(
    budget.allowance(0, 800, () => {}),
    400,
  )
  let told = false
  assert.equal(
    budget.allowance(600, 800, () => {
      told = true
    }),
    0,
  )
  budget.giveBytes(600)
  assert.equal(told, true)
})
