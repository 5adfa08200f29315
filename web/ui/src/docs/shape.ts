// An OpenAPI schema as a short text to read. Pure.

export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  nullable?: boolean;
  enum?: unknown[];
  description?: string;
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  allOf?: Schema[];
  anyOf?: Schema[];
  oneOf?: Schema[];
}

export function refName(ref: string): string {
  return ref.slice(ref.lastIndexOf('/') + 1);
}

/** "string", "integer (int64)", "Server[]", "map of string". */
export function typeName(s: Schema | undefined): string {
  if (!s) return 'any';
  if (s.$ref) return refName(s.$ref);
  const several = s.allOf ?? s.anyOf ?? s.oneOf;
  if (several) return several.map(typeName).join(s.allOf && several.length > 1 ? ' & ' : ' | ');
  if (s.enum) return s.enum.map((v) => JSON.stringify(v)).join(' | ');
  const type = Array.isArray(s.type) ? s.type.filter((each) => each !== 'null').join(' | ') : s.type;
  if (type === 'array') return `${typeName(s.items)}[]`;
  if (type === 'object' || (!type && (s.properties || s.additionalProperties))) {
    return typeof s.additionalProperties === 'object' ? `map of ${typeName(s.additionalProperties)}` : 'object';
  }
  return type ? (s.format ? `${type} (${s.format})` : type) : 'any';
}

/** A curl line for an operation. */
export function curl(method: string, path: string, origin: string, hasBody: boolean): string {
  const verb = method === 'get' ? '' : ` -X ${method.toUpperCase()}`;
  const body = hasBody ? " -H 'Content-Type: application/json' -d '{}'" : '';
  return `curl${verb} -H "Authorization: Bearer $TOKEN"${body} ${origin}${path}`;
}
