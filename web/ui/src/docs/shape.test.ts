import { expect, test } from 'vitest';
import { curl, typeName } from './shape';

test.each([
  [{ type: 'string' }, 'string'], [{ type: 'integer', format: 'int64' }, 'integer (int64)'], [{ type: 'array', items: { $ref: '#/components/schemas/Server' } }, 'Server[]'],
  [{ type: 'object', additionalProperties: { type: 'string' } }, 'map of string'], [{ enum: ['a', 'b'] }, '"a" | "b"'], [{ allOf: [{ $ref: '#/x/Usage' }], nullable: true }, 'Usage'],
  [{ type: ['string', 'null'] }, 'string'], [undefined, 'any'], [{}, 'any'], [{ type: 'object' }, 'object'],
])('%j', (schema, want) => expect(typeName(schema)).toBe(want));

test('curl', () => {
  expect(curl('get', '/api/servers', 'http://h', false)).toBe('curl -H "Authorization: Bearer $TOKEN" http://h/api/servers');
  expect(curl('post', '/x', 'http://h', true)).toContain("-X POST");
});
