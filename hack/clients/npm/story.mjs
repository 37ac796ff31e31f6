// What the stories share: who is who, from the environment, and words to tell what happened.

import assert from 'node:assert/strict';

function given(name) {
  const value = process.env[name];
  assert.ok(value, `${name} must be set`);
  return value;
}

/** The facade's URL; the certificate authority is in NODE_EXTRA_CA_CERTS, which node itself reads. */
export const url = given('FACADE_URL');
/** The organisation's id: the dialects of both clients name it by its UID. */
export const organization = given('ORGANIZATION_ID');

/** A person of the story, by address and token. The owner owns the organisation; nobody else is known there. */
const person = (name) => ({ email: given(`${name}_EMAIL`), token: given(`${name}_TOKEN`) });
export const owner = person('OWNER');
export const guest = person('GUEST');
export const stranger = person('STRANGER');

/** Tells one step of the story, so that a failure shows how far it came. */
export async function step(name, act) {
  console.log(`- ${name}`);
  return act();
}

/** Looks again until the check holds: what an acceptance leads to comes a moment after its answer. */
export async function eventually(check) {
  const deadline = Date.now() + 30_000;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (!(error instanceof assert.AssertionError) || Date.now() > deadline) {
        throw error;
      }
    }
    await new Promise((done) => setTimeout(done, 50));
  }
}

const id = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const time = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/;

export const isId = (value) => assert.match(value, id);
export const isTime = (value) => assert.match(value, time);
