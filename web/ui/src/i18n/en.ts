// The catalogue. Short, plain, second person.
export const en = {
  servers: 'Servers', nodes: 'Nodes', activity: 'Activity', areas: 'Areas', crumbs: 'You are here', skip: 'Skip to content', actions: 'Actions',
  name: 'Name', state: 'State', players: 'Players', memory: 'Memory', cpu: 'CPU', 'cpu.cores': 'CPU cores', node: 'Node', address: 'Address', version: 'Version',
  cancel: 'Cancel', close: 'Close', retry: 'Try again', undo: 'Undo', done: 'Done', more: 'More', yes: 'yes', since: 'since', loading: 'Loading…', working: 'Working',
  lost: 'There is no such page', 'boot.trouble': 'The controller does not answer. Trying again…',
  'copy.title': 'Copy', 'copy.what': 'Copy {what}', 'copy.done': 'Copied',
  'confirm.type': 'Type {name} to confirm',

  'link.live': 'Live', 'link.reconnecting': 'Reconnecting…', 'link.stale': 'Old data: last heard {time}',
  'problem.unreachable': 'The controller does not answer.', 'problem.unauthenticated': 'You are not logged in any more.', 'problem.internal': 'Something went wrong in this page.',
  'problem.retrying': 'This page keeps trying. Check your connection and the controller.',

  'login.title': 'Log in to PayPerPlay', 'login.text': 'Paste the operator’s token of this controller.', 'login.token': 'Operator token', 'login.go': 'Log in',
  'login.where': 'It was written on the controller’s machine when it first started:',
  logout: 'Log out {name}', 'user.menu': 'You and this page',
  'theme.system': 'Theme of the system', 'theme.light': 'Light theme', 'theme.dark': 'Dark theme',

  'palette.open': 'Search', 'palette.title': 'Search and commands', 'palette.placeholder': 'Server, page or command', 'palette.none': 'Nothing found',
  'help.title': 'Keyboard shortcuts', 'help.filter': 'Filter the list', 'help.command': 'Type a console command', 'help.history': 'Earlier commands', 'help.complete': 'Complete a command or player',

  'state.running': 'Running', 'state.starting': 'Starting', 'state.stopping': 'Stopping', 'state.stopped': 'Stopped', 'state.waiting': 'Waiting', 'state.crashed': 'Crashed',
  'state.failed': 'Failed', 'state.unknown': 'Unknown', 'state.deleting': 'Deleting', 'state.asleep': 'Asleep', 'state.held': 'On hold', 'state.restarting': 'Restarting',
  'state.killing': 'Killing', 'state.archived': 'Archived',
  'verb.start': 'Start', 'verb.stop': 'Stop', 'verb.restart': 'Restart', 'verb.kill': 'Kill', 'verb.delete': 'Delete',
  'way.again': 'Start again', 'way.retry': 'Try again', 'way.giveup': 'Stop waiting', 'way.nodes': 'See the nodes', 'way.stop': 'Leave it stopped',

  'list.filter': 'Filter', 'list.none': 'Nothing matches “{query}”', 'list.all': 'Show all', 'list.choose': 'Select {name}', 'list.chooseAll': 'Select all', 'list.actions': 'Actions for {name}',
  'list.found.one': '{n} server found', 'list.found.other': '{n} servers found',
  'bulk.title': 'Selected servers', 'bulk.chosen.one': '{n} selected', 'bulk.chosen.other': '{n} selected', 'bulk.clear': 'Clear', 'bulk.progress': '{done} of {all}…', 'bulk.result': '{ok} of {all} taken',
  'first.title': 'Create your first server', 'first.text': 'Pick what to play. You can change everything later.',
  create: 'Create a server', 'create.template': 'Template', 'create.players': '{players} players', 'create.another': 'Suggest another name', 'create.start': 'Start it right away',
  'create.more': 'Game settings', 'create.go': 'Create and start', 'create.only': 'Create',
  'name.help': 'Small letters, digits and hyphens.', 'name.empty': 'A name is needed.', 'name.form': 'Only a–z, 0–9 and hyphens, up to 32, beginning and ending with a letter or digit.', 'name.taken': 'This name is taken.',
  'memory.exact': 'Memory, exactly', 'memory.help': 'At least {min}; {recommended} suits most.', 'memory.min': 'At least {min}.',
  'env.int': 'This must be a whole number.', 'env.range': 'This must be between {min} and {max}.', 'env.enum': 'This must be one of {values}.', 'env.default': 'Default: {value}', 'env.unset': 'Not set',

  'players.unknown': 'not known', 'players.none': 'No players', 'players.count': '{n} / {max} players', 'cpu.count': '{n} cores',
  'address.none': 'No address yet', 'address.copy': 'Copy the address',
  'server.gone': 'There is no server {name}', 'server.toList': 'To the servers', tabs: 'Views of this server',
  'tab.console': 'Console', 'tab.overview': 'Overview', 'tab.settings': 'Settings', 'tab.activity': 'Activity',
  'toast.stopping': '{name} is being stopped.',
  'kill.title': 'Kill {name}?', 'kill.text': 'The game ends at once, without saving. Players lose what happened since the last save.',
  'delete.title': 'Delete {name}', 'delete.heading': 'Delete this server', 'delete.text': 'The server and its world are deleted. This cannot be undone.',
  'crash.code': 'Exit code', 'crash.oom': 'Out of memory', 'crash.when': 'Ended', 'crash.lines': 'Last lines of the console', 'crash.retry': 'It is started again by itself; {n} tries so far.',
  'restart.required': 'Settings have changed since this server started. They take effect after a restart.', 'restart.now': 'Restart now',

  'console.label': 'Console of {name}', 'console.reconnecting': 'Reconnecting; no line is lost…', 'console.search': 'Search the console', 'console.times': 'Times', 'console.download': 'Download',
  'console.newest': 'Jump to newest', 'console.missed.one': '{n} new line', 'console.missed.other': '{n} new lines', 'console.empty': 'Nothing has been written yet.',
  'console.emptyStopped': 'Nothing here yet. Start the server to see its console.', 'console.older': 'Reading older lines…', 'console.olderFailed': 'Older lines could not be read.',
  'console.command': 'Console command', 'console.placeholder': 'Type a command', 'console.off': 'Start the server to type commands', 'console.send': 'Send', 'console.answer': 'Answer to {command}',
  'console.previous': 'Previous match', 'console.next': 'Next match', 'console.noneHere': 'Not on this screen', 'console.everywhere': 'Search the whole history',
  'console.found.one': '{n} line in the whole history', 'console.found.other': '{n} lines in the whole history',

  'overview.range': 'Time range', 'overview.none': 'No measurements yet', 'overview.noneText': 'They appear here a few seconds after the server starts.', 'overview.tps': 'Ticks per second',
  'overview.started': 'Started', 'overview.restarts': 'Restarts', 'overview.disk': 'Disk', 'overview.image': 'Image', 'overview.owner': 'Owner', 'overview.created': 'Created',

  'settings.server': 'Server', 'settings.game': 'Game', 'settings.save': 'Save', 'settings.discard': 'Discard', 'settings.changed': 'Not saved yet', 'settings.saved': 'Saved.',
  'settings.savedRestart': 'Saved. Restart the server to use it.', 'settings.reload': 'Take the newest',

  'activity.filter': 'Filter', 'activity.family': 'Kind', 'activity.all': 'Everything', 'activity.span': 'Time range', 'activity.hours': 'Last {n} h', 'activity.days': 'Last {n} days',
  'activity.none': 'Nothing happened in this time', 'activity.on': 'on', 'activity.most': 'The newest {n} are shown. Choose a shorter time or use controller event list.',
  'event.server.created': 'Server created', 'event.server.updated': 'Settings changed', 'event.server.deleted': 'Server deleted', 'event.server.start': 'Start asked', 'event.server.stop': 'Stop asked',
  'event.server.starting': 'Server starting', 'event.server.started': 'Server started', 'event.server.ready': 'Server ready', 'event.server.stopping': 'Server stopping', 'event.server.stopped': 'Server stopped',
  'event.server.crashed': 'Server crashed', 'event.server.failed': 'Start failed', 'event.server.waiting': 'Waiting for room', 'event.server.placed': 'Placed on a node', 'event.server.killed': 'Server killed',
  'event.server.restarted': 'Server restarted', 'event.player.joined': 'Player joined', 'event.player.left': 'Player left',
  'event.node.joined': 'Node joined', 'event.node.connected': 'Node connected', 'event.node.disconnected': 'Node disconnected', 'event.node.revoked': 'Node revoked', 'event.node.cordoned': 'Node cordoned',
  'event.node.uncordoned': 'Node uncordoned', 'event.node.unreachable': 'Node unreachable', 'event.node.degraded': 'Node degraded', 'event.node.token': 'Join token made',

  'node.state.ready': 'Ready', 'node.state.degraded': 'Degraded', 'node.state.unhealthy': 'Unhealthy', 'node.state.cordoned': 'Cordoned', 'node.state.unreachable': 'Unreachable',
  'node.state.revoked': 'Revoked', 'node.state.locked': 'Locked',
  'node.seen': 'seen', 'node.never': 'never', 'node.add': 'Add a node', 'node.none': 'No node yet', 'node.noneText': 'A node is a machine that runs your servers. It dials out to this controller; no port needs to be open on it.',
  'node.memory': 'Memory booked', 'node.cpu': 'CPU busy', 'node.disk': 'Disk booked', 'node.ports': 'Ports', 'node.servers': '{running} of {all} servers running', 'node.healthy': 'healthy, checked', 'node.sick': 'not healthy, checked',
  'node.rtt': '{ms} ms away', 'node.skew': 'clock off by {s} s', 'node.degraded.one': 'One thing this machine cannot do', 'node.degraded.other': '{n} things this machine cannot do', 'node.details': 'Details',
  'node.machine': 'Machine', 'node.agent': 'Agent', 'node.total': 'Memory in all', 'node.totalText': '{total}, of it {reserve} kept for the system', 'node.portRange': 'Port range', 'node.now': 'In use now',
  'node.nowText': '{memory} memory, {disk} disk, load {load}', 'node.joined': 'Joined',
  'node.cordon': 'Cordon: place nothing new', 'node.uncordon': 'Uncordon', 'node.cordoned': '{name} takes no new servers.', 'node.revoke': 'Revoke', 'node.revokeTitle': 'Revoke {name}',
  'node.revokeText': 'The node is cut off within 2 seconds and its certificate is void. Its servers run on there, but you cannot reach them from here. To come back it needs a new token.',
  'node.addText': 'This makes a token that lets one machine join, once, within 15 minutes.', 'node.makeToken': 'Make the token', 'node.paste': 'Run this on the machine. It appears here as soon as it has joined.',
  'node.command': 'Command to run', 'node.copy': 'Copy the command', 'node.once': 'It is shown only now and works once.', 'node.expires': 'It expires in {time}.',
} as const;

export type Key = keyof typeof en;
