// Mirrors controller/api/client/dto.go until src/api/schema.d.ts is generated (npm run types). tsconfig's "#schema" path
// takes the generated file when it is there. Delete this file once the build always generates.
export interface components {
  schemas: {
    Problem: {
      type: string;
      title: string;
      status: number;
      detail: string;
      code: string;
      next?: string;
      instance?: string;
      request_id?: string;
    };
    Server: {
      id: string;
      name: string;
      owner: string;
      template: string;
      version: string;
      image: string;
      node: string;
      desired: string;
      observed: string;
      state: string;
      explain: string;
      next: string;
      epoch: number;
      revision: number;
      address: string;
      port: number;
      has_volume: boolean;
      memory_bytes: number;
      cpu_millis: number;
      disk_bytes: number;
      env: Record<string, string>;
      usage?: components['schemas']['Usage'];
      waiting?: components['schemas']['Waiting'];
      hold?: string;
      op?: components['schemas']['Op'];
      exit?: components['schemas']['Exit'];
      restarts: number;
      restart_required: boolean;
      progress?: string;
      retry_at?: string;
      started_at?: string;
      ready_at?: string;
      observed_at?: string;
      created_at: string;
      updated_at: string;
      created_by: string;
    };
    Usage: {
      at: string;
      memory_bytes: number;
      cpu_cores: number;
      disk_bytes: number;
      players?: number;
      players_max: number;
      player_names?: string[];
      tps?: number;
    };
    Waiting: {
      memory_bytes: number;
      cpu_millis: number;
      reason: string;
      since: string;
    };
    Op: {
      kind: string;
      by: string;
      started: string;
      expires: string;
    };
    Exit: {
      code: number;
      oom: boolean;
      asked: boolean;
      killed: boolean;
      at: string;
      last_lines?: string[];
      advice?: string;
    };
    CreateServer: {
      name: string;
      template: string;
      version?: string;
      memory_bytes?: number;
      cpu_millis?: number;
      disk_bytes?: number;
      env?: Record<string, string>;
      node?: string;
      start?: boolean;
    };
    PatchServer: {
      version?: string;
      memory_bytes?: number;
      cpu_millis?: number;
      disk_bytes?: number;
      env?: Record<string, string | null>;
    };
    StopServer: {
      reason?: string;
      grace_seconds?: number;
    };
    Command: {
      command: string;
    };
    CommandReply: {
      output: string;
      via: string;
    };
    Line: {
      seq: number;
      time: string;
      text: string;
      kind?: string;
    };
    Lines: {
      lines: components['schemas']['Line'][];
      first: number;
      head: number;
      more: boolean;
    };
    ConsoleMessage: {
      type: string;
      lines?: components['schemas']['Line'][];
      head?: number;
      text?: string;
      id?: string;
      command?: string;
      output?: string;
      via?: string;
      problem?: components['schemas']['Problem'];
    };
    Samples: {
      step_seconds: number;
      points: components['schemas']['Point'][];
    };
    Point: {
      at: string;
      memory_bytes: number;
      cpu_cores: number;
      players?: number;
      tps?: number;
      net_rx: number;
      net_tx: number;
    };
    Node: {
      id: string;
      name: string;
      class: string;
      roles: string[];
      state: string;
      last_seen: string;
      connected: boolean;
      cordoned: boolean;
      explain: string;
      next: string;
      degraded: string[];
      health?: components['schemas']['Health'];
      arch: string;
      os: string;
      kernel: string;
      docker: string;
      agent_version: string;
      machine_id: string;
      addresses: string[];
      joined_at: string;
      clock_skew_ms: number;
      rtt_ms: number;
      memory_total_bytes: number;
      memory_reserve_bytes: number;
      memory_schedulable_bytes: number;
      memory_booked_bytes: number;
      cpu_millis: number;
      cpu_booked_millis: number;
      disk_total_bytes: number;
      disk_booked_bytes: number;
      port_from: number;
      port_to: number;
      ports_booked: number;
      servers: number;
      running: number;
      usage?: components['schemas']['NodeUsage'];
    };
    Health: {
      at: string;
      age_seconds: number;
      ok: boolean;
      problems?: string[];
    };
    NodeUsage: {
      at: string;
      cpu_busy: number;
      memory_used: number;
      disk_used: number;
      disk_total: number;
      load1: number;
    };
    CreateToken: {
      name: string;
      ttl_seconds?: number;
      class?: string;
      roles?: string[];
      machine_id?: string;
      address?: string;
    };
    Token: {
      token: string;
      name: string;
      expires: string;
      ca_pin: string;
      command: string;
    };
    Event: {
      seq: number;
      at: string;
      type: string;
      server?: string;
      node?: string;
      owner?: string;
      actor?: string;
      data?: Record<string, unknown>;
    };
    Template: {
      name: string;
      title: string;
      summary: string;
      category: string;
      image: string;
      versions: string[];
      default_version: string;
      memory_min: number;
      memory_recommended: number;
      players: string;
      env: components['schemas']['TemplateEnv'][];
      build_hint?: string;
    };
    TemplateEnv: {
      name: string;
      kind: string;
      default?: string;
      min?: number;
      max?: number;
      enum?: string[];
      help?: string;
    };
    Status: {
      at: string;
      version: string;
      cluster: string;
      term: number;
      started: string;
      nodes: components['schemas']['Node'][];
      servers: Record<string, string>;
      totals: components['schemas']['Totals'];
    };
    Totals: {
      nodes: number;
      nodes_connected: number;
      servers: number;
      running: number;
      waiting: number;
      by_state: Record<string, number>;
      memory_total_bytes: number;
      memory_schedulable_bytes: number;
      memory_booked_bytes: number;
      players: number;
      players_unknown: number;
    };
    Login: {
      token: string;
    };
    Session: {
      actor: string;
      csrf: string;
      version: string;
      cluster: string;
    };
  };
}
