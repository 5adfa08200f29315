// The types come from the controller; say so instead of letting tsc list a hundred errors.
import { existsSync } from 'node:fs';
if (!existsSync(new URL('../src/api/schema.d.ts', import.meta.url))) {
  console.error('src/api/schema.d.ts is not there. Next: make web; or: go run ./cmd/controller openapi > build/openapi.json, then npm run types');
  process.exit(1);
}
