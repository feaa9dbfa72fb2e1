require 'net/smtp'
require_relative 'message'

# Sends mail.
module Post
  RETRIES = 3

  class Mailer < Base
    attr_reader :host

    def initialize(host)
      @host = host
    end

    # Whether the host answers.
    def ready?
      ping("ready? #{host}") == :ok
    end

    def self.deliver(message)
      new(message.host).send(message)
    end

    class << self
      def default
        @default ||= new('localhost')
      end
    end
  end
end
